/* Objects in JSON, as fuzz_object_pb. */
#include "tests/fuzz/object_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2)
        object_fuzz(data[0] % KIND_COUNT, data[1], FORMAT_JSON, str_make((const char *)data + 2, size - 2));
    return 0;
}
