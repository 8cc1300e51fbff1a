/* CamelCase and other free text to snake_case, as the names of node metrics of the reference are made (iancoleman/strcase 0.3.0). */
#ifndef WIRE_SNAKE_CASE_H
#define WIRE_SNAKE_CASE_H

#include "base/buf.h"

/* "PIDPressure" -> "pid_pressure", "hugepages-2Mi" -> "hugepages_2_mi", "nvidia.com/gpu" -> "nvidia_com/gpu". By bytes. */
void snake_case(struct buf *out, str text);

#endif
