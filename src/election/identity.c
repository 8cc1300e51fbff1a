/*
 * Identity and incarnation. A pod's containers share the network namespace and so its abstract sockets: who could bind the one
 * named after identity and Lease knows that no other process of this pod uses the same identity on the same Lease. The kernel
 * frees the name when the process ends, however it ends, so a restarted container gets it.
 */
#include "election/identity.h"

#include "base/map.h"
#include "io/file.h"
#include "wire/text.h"

static void random_hex(struct loop *loop, struct buf *out, size_t byte_count)
{
    char bytes[16];
    CHECK(byte_count <= sizeof bytes);
    loop_random(loop, bytes, byte_count);
    hex_encode(out, str_make(bytes, byte_count));
}

void identity_choose(struct loop *loop, const struct kube_client *client, str configured,
                     struct buf *identity, str *pod_uid)
{
    str name, uid;
    bool known = kube_client_pod(client, &name, &uid);
    if (!known) {
        known =
            env_get("POD_NAME", &name) && env_get("POD_UID", &uid) && name.len > 0 && uid.len > 0;
    }
    *pod_uid = known ? uid : STR_NONE;
    if (configured.len > 0) {
        buf_str(identity, configured);
    } else if (known) {
        buf_printf(identity, "%.*s_%.*s", STR_ARG(name), STR_ARG(uid));
    } else {
        char host[256];
        buf_str(identity, host_name(host, sizeof host));
        buf_byte(identity, '_');
        random_hex(loop, identity, 8);
    }
}

void incarnation_make(struct loop *loop, struct buf *out)
{
    random_hex(loop, out, 16);
}

bool identity_is_exclusive(str identity, str pod_uid, str namespace, str lease, int *fd)
{
    size_t at;
    *fd = -1;
    if (pod_uid.len == 0 || !str_find(identity, pod_uid, &at))
        return false;
    /* Abstract names hold 107 bytes: a hash keeps long ones apart. Its key is fixed, since every process must find the same name. */
    static const uint64_t key[2] = {0x6261746f6e2d6c65, 0x6173652d6e616d65};
    struct buf name;
    buf_init(&name, 4096);
    buf_printf(&name, "%.*s\n%.*s\n%.*s", STR_ARG(namespace), STR_ARG(lease), STR_ARG(identity));
    uint64_t hash = sip_hash(key, buf_view(&name));
    buf_clear(&name);
    buf_printf(&name, "baton-lease-%016" PRIx64, hash);
    bool claimed = abstract_socket_claim(buf_view(&name), fd);
    buf_deinit(&name);
    return claimed;
}
