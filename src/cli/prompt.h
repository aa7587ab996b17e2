/* prompt: where a new password comes from. */
#pragma once

#include "cli.h"
#include "../account/account.h"

struct new_password {
        char text[PASSWORD_MAXIMUM + 2]; /* one more than may be, so that too long a one is seen as such */
        bool generated;                  /* tell it to whoever asked, once */
};

/* From standard input's first line (`from_stdin`), by asking twice at a terminal, or, where there is none, made up. */
int prompt_password(bool from_stdin, struct new_password *ret_password, struct error *error) must_check;
