// TEST CODE. A stand-in for NCCL and the CUDA driver over host memory and threads: the entry points
// that the project uses, with the ordering rules of the real ones (streams, events, groups,
// non-blocking communicators), so that the communicator can be proved where there is no GPU. It
// says nothing about speed. Never installed, never in the wheel.
//
// libfake_cuda.so has the driver's entry points and these controls, libfake_nccl.so NCCL's. Tests
// look the controls up by dlsym (FakeLibraries in nccl_harness.h). Environment, read at each call:
// FAKE_CUDA_DEVICES (8), FAKE_NCCL_VERSION (23007), FAKE_CUDA_VERSION (13000), FAKE_CUDA_FATBIN (0:
// GPUs that no fatbin has code for).
#ifndef TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_CONTROL_H_
#define TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_CONTROL_H_

#include <atomic>

extern "C" {

// Forgets all injections, counts and misuse.
void fake_reset();
// The n'th call from now on (from 1) of `function`, by whichever rank, returns `code` and does
// nothing.
void fake_fail(const char* function, int n, int code);
// The n'th call from now on of `function` does not return before fake_unblock or an abort: of its
// communicator, if it is told which that is; of any otherwise.
void fake_block(const char* function, int n);
void fake_unblock();
// How often `function` was called since fake_reset.
int fake_calls(const char* function);
// What the real libraries would not have forgiven, one a line: calls on an aborted communicator or
// one that was not ready, calls from several threads, different collectives under one number.
const char* fake_misuse();
// From now on ncclCommGetAsyncError of rank `rank`'s communicators says `code`.
void fake_async_error(int rank, int code);

// From now on collectives of communicators of `ranks` ranks take so long.
void fake_take(int ranks, double seconds, double seconds_per_byte);

// For libfake_nccl.so: the code to return instead of doing anything, or 0. `aborted` becomes true
// when the communicator that is called is aborted; or null.
int fake_enter(const char* function, const std::atomic<bool>* aborted);
void fake_note_misuse(const char* text);
void fake_note_abort();
int fake_async_error_of(int rank);
// Sleeps as long as such a collective takes.
void fake_spend(int ranks, double bytes);
// Runs `body(argument)` as the next thing on the stream.
void fake_enqueue(void* stream, void (*body)(void*), void* argument);
}

#endif  // TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_CONTROL_H_
