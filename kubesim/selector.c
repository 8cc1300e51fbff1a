/*
 * Selectors as kubectl and client-go write them into query strings; terms are joined by commas.
 *
 *   labels: a=b  a==b  a!=b  a in (b,c)  a notin (b)  a  !a  a>1  a<1
 *   fields: metadata.name=x  metadata.namespace!=y      (\ escapes , = and \)
 *
 * Life of one: parsed once for a request into its arena, then matched against the labels or the
 * name of each object; a watch keeps its selector as long as it lives.
 *
 * Specification: apimachinery pkg/labels and pkg/fields. A key that an object lacks matches != and
 * notin.
 */
#include "kubesim/selector.h"

#include "kubesim/limits.h"
#include "wire/text.h"

/* -- syntax of keys and values -- */

/* Room for everything that commas separate in `text`. */
static size_t capacity(str text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len && count < LIMIT_SIM_SELECTOR_TERMS; i++)
        count += text.data[i] == ',';
    return count;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool name_part_check(str s, const char *what, struct err *err)
{
    bool ok = s.len > 0 && is_alnum(s.data[0]) && is_alnum(s.data[s.len - 1]);
    if (s.len > 63)
        return err_set(err, "%s must have at most 63 characters", what);
    for (size_t i = 0; ok && i < s.len; i++)
        ok = is_alnum(s.data[i]) || s.data[i] == '-' || s.data[i] == '_' || s.data[i] == '.';
    if (!ok)
        return err_set(
            err,
            "%s must be letters, digits, '-', '_' and '.', with a letter or digit at both ends",
            what);
    return true;
}

bool label_key_check(str key, struct err *err)
{
    str head, rest;
    if (!str_cut(key, '/', &head, &rest))
        return name_part_check(key, "a name", err);
    return dns_subdomain_check(head, err) && name_part_check(rest, "the name after the '/'", err);
}

bool label_value_check(str value, struct err *err)
{
    return value.len == 0 || name_part_check(value, "a label's value", err);
}

/* -- label selectors -- */

struct lexer {
    str rest;
    str token;   /* empty at the end */
    bool symbol; /* the token is an operator, bracket or comma */
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_symbol(char c)
{
    return c == '=' || c == '!' || c == '(' || c == ')' || c == ',' || c == '>' || c == '<';
}

static void lexer_next(struct lexer *l)
{
    size_t len = 0;
    while (l->rest.len > 0 && is_space(l->rest.data[0]))
        l->rest = str_skip(l->rest, 1);
    l->symbol = l->rest.len > 0 && is_symbol(l->rest.data[0]);
    if (l->symbol) {
        bool two = l->rest.len > 1 && l->rest.data[1] == '=' &&
                   (l->rest.data[0] == '=' || l->rest.data[0] == '!');
        len = two ? 2 : 1;
    } else {
        while (len < l->rest.len && !is_space(l->rest.data[len]) && !is_symbol(l->rest.data[len]))
            len++;
    }
    l->token = str_make(l->rest.data, len);
    l->rest = str_skip(l->rest, len);
}

static bool at(const struct lexer *l, const char *symbol)
{
    return l->symbol && str_eqz(l->token, symbol);
}

static bool at_end_of_term(const struct lexer *l)
{
    return l->token.len == 0 || at(l, ",");
}

static bool unexpected(const struct lexer *l, const char *wanted, struct err *err)
{
    return err_set(err, "label selector: found '%.*s' where %s was expected", STR_ARG(l->token),
                   wanted);
}

static bool add_value(struct label_term *t, struct arena *a, str value, struct err *err)
{
    if (t->value_count >= LIMIT_SIM_SELECTOR_TERMS)
        return err_set(err, "label selector: more than %d values of one key",
                       LIMIT_SIM_SELECTOR_TERMS);
    if (!label_value_check(value, err))
        return err_wrap(err, "label selector: value '%.*s'", STR_ARG(value));
    t->values[t->value_count++] = arena_str(a, value);
    return true;
}

static bool parse_set(struct label_term *t, struct lexer *l, struct arena *a, struct err *err)
{
    lexer_next(l);
    if (!at(l, "("))
        return unexpected(l, "'('", err);
    t->values = ARENA_ARRAY(a, str, capacity(l->rest));
    do {
        str value = STR_NONE;
        lexer_next(l);
        if (l->token.len > 0 && !l->symbol) {
            value = l->token;
            lexer_next(l);
        }
        if (!add_value(t, a, value, err))
            return false;
    } while (at(l, ","));
    if (!at(l, ")"))
        return unexpected(l, "',' or ')'", err);
    lexer_next(l);
    return true;
}

static bool parse_single(struct label_term *t, struct lexer *l, struct arena *a, struct err *err)
{
    str value = STR_NONE;
    t->values = ARENA_NEW(a, str);
    lexer_next(l);
    if (!l->symbol && l->token.len > 0) {
        value = l->token;
        lexer_next(l);
    }
    if (t->op != LABEL_GREATER && t->op != LABEL_LESS)
        return add_value(t, a, value, err);
    if (!str_to_i64(value, &t->number))
        return err_set(err, "label selector: '>' and '<' compare with a whole number, not '%.*s'",
                       STR_ARG(value));
    return true;
}

static bool parse_operator(struct label_term *t, struct lexer *l, struct arena *a, struct err *err)
{
    if (!l->symbol && (str_eqz(l->token, "in") || str_eqz(l->token, "notin"))) {
        t->op = str_eqz(l->token, "in") ? LABEL_IN : LABEL_NOT_IN;
        return parse_set(t, l, a, err);
    }
    if (at(l, "=") || at(l, "=="))
        t->op = LABEL_IN;
    else if (at(l, "!="))
        t->op = LABEL_NOT_IN;
    else if (at(l, ">"))
        t->op = LABEL_GREATER;
    else if (at(l, "<"))
        t->op = LABEL_LESS;
    else
        return unexpected(l, "in, notin, =, ==, !=, > or <", err);
    return parse_single(t, l, a, err);
}

static bool parse_term(struct label_term *t, struct lexer *l, struct arena *a, struct err *err)
{
    bool negated = at(l, "!");
    if (negated)
        lexer_next(l);
    if (l->symbol || l->token.len == 0)
        return unexpected(l, negated ? "a key" : "a key or '!'", err);
    if (!label_key_check(l->token, err))
        return err_wrap(err, "label selector: key '%.*s'", STR_ARG(l->token));
    t->key = arena_str(a, l->token);
    lexer_next(l);
    t->op = negated ? LABEL_ABSENT : LABEL_EXISTS;
    if (!negated && !at_end_of_term(l) && !parse_operator(t, l, a, err))
        return false;
    return at_end_of_term(l) || unexpected(l, "',' or the end", err);
}

bool label_selector_parse(struct label_selector *s, struct arena *a, str text, struct err *err)
{
    struct lexer l = {.rest = text};
    *s = (struct label_selector){0};
    lexer_next(&l);
    if (l.token.len == 0)
        return true;
    s->terms = ARENA_ARRAY(a, struct label_term, capacity(text));
    for (;;) {
        if (s->count >= LIMIT_SIM_SELECTOR_TERMS)
            return err_set(err, "label selector: more than %d terms", LIMIT_SIM_SELECTOR_TERMS);
        if (!parse_term(&s->terms[s->count++], &l, a, err))
            return false;
        if (l.token.len == 0)
            return true;
        lexer_next(&l);
    }
}

static bool has_value(const struct label_term *t, str value)
{
    for (size_t i = 0; i < t->value_count; i++) {
        if (str_eq(t->values[i], value))
            return true;
    }
    return false;
}

static bool term_match(const struct label_term *t, const struct sim_label *labels, size_t count)
{
    const struct sim_label *label = NULL;
    int64_t n;
    for (size_t i = 0; i < count && label == NULL; i++) {
        if (str_eq(labels[i].key, t->key))
            label = &labels[i];
    }
    switch (t->op) {
    case LABEL_IN:
        return label != NULL && has_value(t, label->value);
    case LABEL_NOT_IN:
        return label == NULL || !has_value(t, label->value);
    case LABEL_EXISTS:
        return label != NULL;
    case LABEL_ABSENT:
        return label == NULL;
    case LABEL_GREATER:
        return label != NULL && str_to_i64(label->value, &n) && n > t->number;
    case LABEL_LESS:
        return label != NULL && str_to_i64(label->value, &n) && n < t->number;
    }
    return false;
}

bool label_selector_match(const struct label_selector *s, const struct sim_label *labels,
                          size_t count)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!term_match(&s->terms[i], labels, count))
            return false;
    }
    return true;
}

/* -- field selectors -- */

/* Cuts the first term off at an unescaped comma. */
static str next_field_term(str *rest)
{
    size_t i = 0;
    for (; i < rest->len && rest->data[i] != ','; i++) {
        if (rest->data[i] == '\\' && i + 1 < rest->len)
            i++;
    }
    str term = str_make(rest->data, i);
    *rest = str_skip(*rest, i + 1);
    return term;
}

static bool unescape_value(str text, struct arena *a, str *value, struct err *err)
{
    char *out = arena_alloc(a, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\\') {
            c = i + 1 < text.len ? text.data[++i] : '\0';
            if (c != '\\' && c != ',' && c != '=')
                return err_set(err, "field selector: '\\' may only stand before '\\', ',' and '='");
        } else if (c == '=') {
            return err_set(err, "field selector: '=' in a value must be written '\\='");
        }
        out[len++] = c;
    }
    *value = str_make(out, len);
    return true;
}

static bool parse_field_term(struct field_term *t, struct arena *a, str text, struct err *err)
{
    size_t pos = 0;
    while (pos < text.len && text.data[pos] != '=' && text.data[pos] != '!')
        pos++;
    str field = str_make(text.data, pos), rest = str_skip(text, pos);
    t->negated = str_starts_with(rest, STR("!="));
    if (!t->negated && !str_starts_with(rest, STR("=")))
        return err_set(err, "field selector: '%.*s' is not FIELD=VALUE or FIELD!=VALUE",
                       STR_ARG(text));
    bool two = t->negated || str_starts_with(rest, STR("=="));
    if (!unescape_value(str_skip(rest, two ? 2 : 1), a, &t->value, err))
        return false;
    if (str_eqz(field, "metadata.name"))
        t->field = FIELD_NAME;
    else if (str_eqz(field, "metadata.namespace"))
        t->field = FIELD_NAMESPACE;
    else
        return err_set(err,
                       "\"%.*s\" is not a known field selector: only \"metadata.name\", "
                       "\"metadata.namespace\"",
                       STR_ARG(field));
    return true;
}

bool field_selector_parse(struct field_selector *s, struct arena *a, str text, struct err *err)
{
    *s = (struct field_selector){0};
    if (text.len == 0)
        return true;
    s->terms = ARENA_ARRAY(a, struct field_term, capacity(text));
    while (text.len > 0) {
        str term = next_field_term(&text);
        if (term.len == 0)
            continue;
        if (s->count >= LIMIT_SIM_SELECTOR_TERMS)
            return err_set(err, "field selector: more than %d terms", LIMIT_SIM_SELECTOR_TERMS);
        if (!parse_field_term(&s->terms[s->count++], a, term, err))
            return false;
    }
    return true;
}

bool field_selector_match(const struct field_selector *s, str name, str namespace)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct field_term *t = &s->terms[i];
        if (str_eq(t->value, t->field == FIELD_NAME ? name : namespace) == t->negated)
            return false;
    }
    return true;
}

str field_selector_name(const struct field_selector *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->terms[i].field == FIELD_NAME && !s->terms[i].negated)
            return s->terms[i].value;
    }
    return STR_NONE;
}
