#include "names.h"

const char *names_find(struct names *names, struct store *store, uint32_t account) {
        for (size_t i = 0; i < names->count; i++)
                if (names->people[i].id == account)
                        return names->people[i].name;
        struct person person = { .id = account };
        if (account && account_find_id(store, account, &person, NULL) < 0)
                person.name[0] = '\0'; /* a name is worth no failed answer */
        names->people = reallocate_array(names->people, names->count + 1, sizeof *names->people);
        names->people[names->count] = person;
        return names->people[names->count++].name;
}

void names_finish(struct names *names) {
        free(names->people);
        *names = (struct names){ 0 };
}
