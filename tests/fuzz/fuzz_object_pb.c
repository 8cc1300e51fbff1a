/* Objects in protobuf; the first byte says which kind, the second which fields. What is decoded can be printed, decodes to the same a
 * second time, and gives back all that it took. */
#include "tests/fuzz/object_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2)
        object_fuzz(data[0] % KIND_COUNT, data[1], FORMAT_PROTOBUF, str_make((const char *)data + 2, size - 2));
    return 0;
}
