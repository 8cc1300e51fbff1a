/* Label and field selectors: any text; what parses must match something or not without reading past anything. */
#include <stdlib.h>

#include "kubesim/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sim_label labels[] = {{{"app", 3}, {"x", 1}}, {{"n", 1}, {"5", 1}}};
    str text = str_make((const char *)data, size);
    struct arena a;
    struct err err;
    struct label_selector l;
    struct field_selector f;
    arena_init(&a, 4096);
    if (label_selector_parse(&l, &a, text, &err)) {
        bool all = label_selector_match(&l, labels, COUNT_OF(labels));
        bool again = label_selector_match(&l, labels, COUNT_OF(labels));
        CHECK(all == again);
        (void)label_selector_match(&l, NULL, 0);
        for (size_t i = 0; i < l.count; i++)
            CHECK(label_key_check(l.terms[i].key, &err));
    }
    if (field_selector_parse(&f, &a, text, &err)) {
        str name = field_selector_name(&f);
        /* A selector that names one object can match nothing else. */
        if (name.len > 0)
            CHECK(!field_selector_match(&f, STR("\x01"), STR("n")) || str_eqz(name, "\x01"));
    }
    arena_deinit(&a);
    return 0;
}
