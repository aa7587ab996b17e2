/*
 * environment: what `carrel env` is made of: where packages come from (environment_sources.c), and whether an
 * environment works (environment_trial.c), which `carrel doctor` asks too.
 */
#pragma once

#include "cli.h"
#include "../environment/environment.h"
#include "../run/run.h"

enum { DEBIAN_PACKAGES_MAXIMUM = 64, WHEELS_MAXIMUM = 1000 };

/* What to put in, as the command line says it. */
struct environment_sources {
        const char *venv, *wheels;
        const char *debian[DEBIAN_PACKAGES_MAXIMUM];
        size_t debian_count;
        char preload[PRELOAD_BYTES];
};

/* Adds a name to a list that is separated by commas, once. */
int preload_add(char preload[static PRELOAD_BYTES], const char *module, struct error *error) must_check;
/* Sees that the packages are installed, and adds their modules to the preload. Only root can install what is missing.
 */
int environment_take_debian(struct environment_sources *sources, struct error *error) must_check;
/* Copies or unpacks into what the workshop makes. `packages`: the path of its folder. */
int environment_take_venv(struct workshop *workshop, const char *venv, struct error *error) must_check;
int environment_take_wheels(struct workshop *workshop, const char *packages, const char *wheels,
                            struct error *error) must_check;

/* Starts its zygote for real, in a process of its own. `folder`: the path of the environment's folder. Call with no
 * rights taken. */
int environment_check(const struct settings *settings, const char *folder, const char *preload,
                      struct environment_trial *ret_trial, struct error *error) must_check;
/* The same for an environment by its name, in a sentence: "works: …", or "does not work: …". Whether it works. */
enum { CHECK_TEXT_BYTES = 512 };
bool environment_check_named(const struct settings *settings, const char *name, char ret_text[static CHECK_TEXT_BYTES]);
void environment_tell_trial(const struct environment_trial *trial, char ret_text[static CHECK_TEXT_BYTES]);
