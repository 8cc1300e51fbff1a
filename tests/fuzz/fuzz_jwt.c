/* Claims of a token: the input as a whole token, and as claims of an otherwise good one. */
#include "kube/jwt.h"
#include "wire/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_token(str token)
{
    struct arena a;
    arena_init(&a, 256);
    str name, uid;
    if (jwt_pod(&a, token, &name, &uid))
        CHECK(name.len > 0 && uid.len > 0);
    arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str input = str_make((const char *)data, size);
    struct buf token;
    buf_init(&token, 1 << 20);
    buf_text(&token, "e30.");
    base64_encode(&token, input);
    for (size_t i = 0; i < token.len; i++)
        if (token.data[i] == '+' || token.data[i] == '/')
            token.data[i] = token.data[i] == '+' ? '-' : '_';
    while (token.data[token.len - 1] == '=')
        token.len--;
    buf_text(&token, ".c2ln");
    try_token(input);
    try_token(buf_view(&token));
    buf_deinit(&token);
    return 0;
}
