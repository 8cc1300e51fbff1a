/* Everything that can be configured. */
#ifndef COMPONENTS_H
#define COMPONENTS_H

#include "service/component.h"

extern const struct components baton_components;

#endif
