/* The extensions, for components.c. */
#ifndef EXTENSIONS_EXTENSIONS_H
#define EXTENSIONS_EXTENSIONS_H

#include "service/component.h"

extern const struct extension_type leader_elector_extension;

#endif
