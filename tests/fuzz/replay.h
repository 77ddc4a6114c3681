/* The frame of every fuzz target. A target is one file that defines
 * LLVMFuzzerTestOneInput and stops the process (CHECK) when a promise is
 * broken. It is built twice: with the replay below, which needs no fuzzing
 * compiler and runs in every test run, and, under SYNOD_FUZZ, with libFuzzer.
 *
 * The replay feeds each file of the corpus and then ROUNDS mutations of them.
 * Same corpus, same rounds: the same inputs, on every machine. */
#ifndef FUZZ_REPLAY_H
#define FUZZ_REPLAY_H

#include <stddef.h>
#include <stdint.h>

/* 0 always; data is borrowed for the call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
