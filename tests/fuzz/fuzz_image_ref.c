/* Image references: the parts lie in the text, and put together again they are the same reference. */
#include "base/buf.h"
#include "wire/image_ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_make((const char *)data, size), repository, tag, again, tag_again;
    if (!image_ref_split(text, &repository, &tag))
        return 0;
    CHECK(repository.len > 0 && tag.len > 0 && tag.len <= 128 && str_starts_with(text, repository));
    struct buf b;
    buf_init(&b, 2 * size + 200);
    buf_str(&b, repository);
    CHECK(image_ref_split(buf_view(&b), &again, &tag_again) || memchr(repository.data, '/', repository.len) == NULL);
    buf_byte(&b, ':');
    buf_str(&b, tag);
    CHECK(image_ref_split(buf_view(&b), &again, &tag_again));
    CHECK(str_eq(again, repository) && str_eq(tag_again, tag));
    buf_deinit(&b);
    return 0;
}
