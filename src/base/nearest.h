/* The word that was probably meant: for messages that help with a misspelt one. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include "base/base.h"

/* The candidate most like `word` (few edits; case and - or _ do not count), or empty. */
str nearest_word(str word, const str *candidates, size_t count);

#endif
