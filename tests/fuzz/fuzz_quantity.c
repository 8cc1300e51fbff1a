/* Quantities: what is one stays one with a sign, in blanks it is none, and both results agree with each other. */
#include "wire/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_make((const char *)data, size);
    int64_t value, milli;
    if (!quantity_parse(text, &value, &milli)) {
        CHECK(value == 0 && milli == 0);
        return 0;
    }
    CHECK((value > 0) == (milli > 0) && (value < 0) == (milli < 0));
    if (milli != INT64_MAX && milli != INT64_MIN) {
        int64_t up = milli / 1000 + (milli % 1000 != 0 ? (milli > 0 ? 1 : -1) : 0);
        CHECK(value == up);
    } else {
        CHECK(value >= INT64_MAX / 1000 || value <= INT64_MIN / 1000);
    }
    if (text.data[0] != '-' && text.data[0] != '+') {
        char *negative = mem_alloc(size + 1);
        negative[0] = '-';
        memcpy(negative + 1, text.data, size);
        int64_t negative_value, negative_milli;
        CHECK(quantity_parse(str_make(negative, size + 1), &negative_value, &negative_milli));
        CHECK(negative_value == -value || (value == INT64_MAX && negative_value == INT64_MIN));
        CHECK(negative_milli == -milli || (milli == INT64_MAX && negative_milli == INT64_MIN));
        mem_free(negative);
    }
    return 0;
}
