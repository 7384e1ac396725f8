// Marks for programs in C and C++ that may be recorded: what the program says about itself, where a reader of the
// recording sees it and a replay compares it. Outside of a recording each is one system call that fails (EINVAL), and
// on other systems than Linux on x86-64 nothing at all. errno keeps its value. README.md beside this file says more.
#ifndef REENACT_H
#define REENACT_H

#include <stddef.h>
#include <string.h>

#if defined(__linux__) && defined(__x86_64__)
#include <errno.h>
#include <sys/prctl.h>
#endif

// Options of prctl: text and its length, for a checksum also bytes and their length.
#define REENACT_CHECKSUM 0x524e4d01
#define REENACT_NOTE 0x524e4d02
#define REENACT_PHASE 0x524e4d03

static inline void reenact_mark(int option, const char *text, const void *bytes, size_t length) {
#if defined(__linux__) && defined(__x86_64__)
    int kept = errno;
    (void)prctl(option, (unsigned long)text, (unsigned long)strlen(text), (unsigned long)bytes, (unsigned long)length);
    errno = kept;
#else
    (void)option, (void)text, (void)bytes, (void)length;
#endif
}

// The state that is called so has these bytes at this point. Recorded is a checksum of them.
static inline void reenact_checksum(const char *name, const void *bytes, size_t length) {
    reenact_mark(REENACT_CHECKSUM, name, bytes, length);
}

// A text for whoever reads the recording.
static inline void reenact_note(const char *text) {
    reenact_mark(REENACT_NOTE, text, NULL, 0);
}

// What follows belongs to the phase of this name.
static inline void reenact_phase(const char *name) {
    reenact_mark(REENACT_PHASE, name, NULL, 0);
}

#endif
