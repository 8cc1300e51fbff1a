/*
 * gRPC: any bytes as a body, a grpc-message and grpc-status-details-bin.
 */
#include "wire/grpc.h"

#include "wire/text.h"

static void check_unframe(str body)
{
    bool compressed;
    str message;
    struct err err;
    if (!grpc_unframe(body, &compressed, &message, &err))
        return;
    struct buf again;
    buf_init(&again, body.len);
    grpc_frame(&again, compressed, message);
    CHECK(str_eq(buf_view(&again), body));
    buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_make((const char *)data, size);
    int64_t delay_ns = -1;
    check_unframe(text);
    struct buf b;
    buf_init(&b, size);
    grpc_message_decode(&b, text);
    CHECK(!b.overflow);
    buf_deinit(&b);
    if (grpc_retry_delay(text, &delay_ns))
        CHECK(delay_ns >= 0);
    /* Also as the bytes that base64 stands for, which random text hardly ever is. */
    buf_init(&b, 2 * size + 4);
    base64_encode(&b, text);
    delay_ns = -1;
    if (grpc_retry_delay(buf_view(&b), &delay_ns))
        CHECK(delay_ns >= 0);
    buf_deinit(&b);
    return 0;
}
