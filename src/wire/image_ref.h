/* References to container images ("reg.io:5000/team/app:1.2@sha256:..."), by the grammar of the distribution project. */
#ifndef WIRE_IMAGE_REF_H
#define WIRE_IMAGE_REF_H

#include "base/base.h"

/* Repository (with registry host and port) and tag ("latest" if there is none; a digest does not count), views into `text` or static.
 * False if the text does not follow the grammar: lower-case path of at most 255 characters, tag of at most 128, digest sha256, sha384
 * or sha512 with exactly as many lower-case hex digits. */
NODISCARD bool image_ref_split(str text, str *repository, str *tag);

#endif
