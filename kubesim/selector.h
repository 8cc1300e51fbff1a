/* Label and field selectors: parse, match; and the syntax of label keys and values. */
#ifndef KUBESIM_SELECTOR_H
#define KUBESIM_SELECTOR_H

#include "base/arena.h"
#include "base/err.h"

struct sim_label {
    str key, value;
};

enum label_operator { LABEL_IN, LABEL_NOT_IN, LABEL_EXISTS, LABEL_ABSENT, LABEL_GREATER, LABEL_LESS };
struct label_term {
    str key;
    enum label_operator op;
    str *values; /* IN, NOT_IN: at least one; "a=b" is IN with one value */
    size_t value_count;
    int64_t number; /* GREATER, LESS */
};
struct label_selector {
    struct label_term *terms; /* all must hold; none: everything matches */
    size_t count;
};
/* Everything in the selector is a copy in the arena. */
NODISCARD bool label_selector_parse(struct label_selector *s, struct arena *a, str text, struct err *err);
bool label_selector_match(const struct label_selector *s, const struct sim_label *labels, size_t count);

enum sim_field_id { FIELD_NAME, FIELD_NAMESPACE };
struct field_term {
    enum sim_field_id field;
    bool negated;
    str value;
};
struct field_selector {
    struct field_term *terms;
    size_t count;
};
/* Every kind has metadata.name and metadata.namespace; other fields are errors. */
NODISCARD bool field_selector_parse(struct field_selector *s, struct arena *a, str text, struct err *err);
bool field_selector_match(const struct field_selector *s, str name, str namespace);
/* The one name that can match, for authorization; empty if there is none. */
str field_selector_name(const struct field_selector *s);

/* "app", "example.com/app" */
NODISCARD bool label_key_check(str key, struct err *err);
NODISCARD bool label_value_check(str value, struct err *err);

#endif
