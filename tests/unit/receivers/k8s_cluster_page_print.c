/* Prints docs/components/k8s_cluster_metrics.md. */
#include <stdio.h>

#include "tests/unit/receivers/k8s_cluster_page.h"

int main(void)
{
    struct buf page;
    buf_init(&page, 1 << 20);
    k8s_cluster_page(&page);
    size_t written = fwrite(page.data, 1, page.len, stdout);
    bool ok = written == page.len && !page.overflow && fflush(stdout) == 0;
    buf_deinit(&page);
    return ok ? 0 : 1;
}
