// scratch.h: what does not fit into memory lies in files without a name: they are gone when the process is, however it ends.
#ifndef MTLC_SCRATCH_H
#define MTLC_SCRATCH_H
#include "../src/base/base.h"

int     nameless_file(const char *folder);                   // in a folder that is made if need be; −1: errno
bool    claim_file(int fd, int64_t at, size_t bytes);        // space on the disk: a full one is an error now, not a signal later; false: errno
bool    is_full(int why);                                    // errno: no space, or a limit on it
int64_t memory_limit(int64_t wanted);                        // bytes; wanted; 0: half of what this process may use
#endif
