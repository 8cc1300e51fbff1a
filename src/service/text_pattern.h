/* Texts that a metrics_include or metrics_exclude entry of the configuration matches. */
#ifndef SERVICE_TEXT_PATTERN_H
#define SERVICE_TEXT_PATTERN_H

#include "base/err.h"

/* A regular expression that is looked for anywhere in a text. */
struct text_pattern;
/* NULL with err that says what is wrong with it, and where. */
struct text_pattern *text_pattern_new(str regexp, struct err *err);
void text_pattern_free(struct text_pattern *p); /* NULL is fine */
/* False also when the search takes more than LIMIT_PATTERN_STEPS, or the text is not UTF-8 where that matters. */
bool text_pattern_matches(const struct text_pattern *p, str text);

#endif
