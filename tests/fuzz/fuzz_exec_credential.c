/* Output of exec plugins: a credential or an error, and an accepted token can go into a header. */
#include "kube/exec_credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exec_credential c;
    struct arena a;
    struct err err = {0};
    arena_init(&a, 1024);
    if (exec_output_parse(&c, &a, STR("client.authentication.k8s.io/v1"),
                          str_make((const char *)data, size), &err)) {
        CHECK(c.token.len > 0 || c.cert_pem.len > 0);
        for (size_t i = 0; i < c.token.len; i++)
            CHECK((unsigned char)c.token.data[i] >= 0x20);
    } else {
        CHECK(err.text[0] != '\0');
    }
    arena_deinit(&a);
    return 0;
}
