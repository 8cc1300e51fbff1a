/* What the answer to an OTLP request over gRPC means for the sending queue; only inside exporters/. */
#ifndef EXPORTERS_OTLP_ANSWER_H
#define EXPORTERS_OTLP_ANSWER_H

#include "config/config.h"
#include "io/http_client.h"
#include "service/queue.h"

/* Reads the answer to one call. `secrets`: pairs whose values are masked wherever the answer repeats them. `out->message` is a
 * view into `text`, which the caller has initialised and frees. */
void otlp_answer_read(const struct http_result *result, const struct config_pairs *secrets, struct buf *text,
                      struct send_result *out);
/* ExportXServiceResponse of any signal: fills rejected_count and message (a view into `response`); a malformed one says nothing. */
void otlp_partial_success_read(str response, struct send_result *out);

#endif
