/*
 * Regular expressions over attribute values, by PCRE2.
 *
 * Life of a pattern: compiled when the configuration is checked (to report a bad one) and again for
 * the receiver that uses it; a search borrows memory that belongs to the pattern, so that it
 * allocates nothing.
 *
 * The reference's syntax is RE2. What both know means the same here: a search that is not anchored,
 * `.` without newline, `$` only at the very end, \d \s \w for ASCII. PCRE2 knows more (look-around,
 * back references); what RE2 knows alone (repetition counts are bounded there, \C, \pN classes by
 * full name such as \p{Greek} are in both) is listed in docs/components/k8s_cluster.md. Unlike RE2
 * a search could take exponential time: it gives up after LIMIT_PATTERN_STEPS.
 */
#include "service/text_pattern.h"

#include "base/limits.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct text_pattern {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static pcre2_code *compile(str regexp, struct err *err)
{
    static const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY |
                                    PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE;
    int code = 0;
    size_t offset = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    CHECK(context != NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_max_pattern_length(context, LIMIT_PATTERN_BYTES);
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)(regexp.data == NULL ? "" : regexp.data),
                                         regexp.len, options, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (compiled == NULL) {
        PCRE2_UCHAR text[256] = "";
        pcre2_get_error_message(code, text, sizeof text);
        err_set(err, "error parsing regexp: %s at byte %zu", (const char *)text, offset);
    }
    return compiled;
}

struct text_pattern *text_pattern_new(str regexp, struct err *err)
{
    pcre2_code *code = compile(regexp, err);
    if (code == NULL)
        return NULL;
    struct text_pattern *p = mem_zalloc(sizeof *p);
    p->code = code;
    p->data = pcre2_match_data_create(1, NULL);
    p->limits = pcre2_match_context_create(NULL);
    CHECK(p->data != NULL && p->limits != NULL);
    pcre2_set_match_limit(p->limits, LIMIT_PATTERN_STEPS);
    pcre2_set_depth_limit(p->limits, LIMIT_PATTERN_STEPS);
    pcre2_set_heap_limit(p->limits, LIMIT_PATTERN_HEAP_KIB);
    return p;
}

void text_pattern_free(struct text_pattern *p)
{
    if (p == NULL)
        return;
    pcre2_match_context_free(p->limits);
    pcre2_match_data_free(p->data);
    pcre2_code_free(p->code);
    mem_free(p);
}

bool text_pattern_matches(const struct text_pattern *p, str text)
{
    return pcre2_match(p->code, (PCRE2_SPTR)(text.data == NULL ? "" : text.data), text.len, 0, 0,
                       p->data, p->limits) >= 0;
}
