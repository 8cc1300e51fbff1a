/* stub */
#include "kubesim/generate.h"
#include "kubesim/sim.h"
bool kubesim_churn(struct kubesim *sim, uint32_t changes_per_s, struct err *err)
{
    (void)changes_per_s;
    (void)sim;
    return err_set(err, "churn: not there yet");
}
