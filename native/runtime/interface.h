// The table of C functions that the optimizer addon hands to the engine addon.
//
// The engine is a second shared object, built for one libtorch; nothing but this table ties the two together,
// so either can be rebuilt alone. A new field goes at the end and raises the version.
//
// The addon exports it as `interface`, an External that carries SOUL_INTERFACE_TAG
// (napi_check_object_type_tag); the memory of a FlatBuffer that is not an ArrayBuffer is an External to a
// SoulMemory that carries SOUL_MEMORY_TAG.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOUL_INTERFACE_VERSION 4u

// Initialisers of a napi_type_tag {lower, upper}.
#define SOUL_INTERFACE_TAG {0x8f1c2a5d73e94b06ull, 0xb64d09e1c7a83f52ull}
#define SOUL_MEMORY_TAG {0x3e7740b9d15c4f8aull, 0x97a2c86f1e0bd435ull}

// Memory of a device, or memory that another trainer owns. `dtype` is one of the numbers below.
typedef struct SoulMemory {
  void* data;
  uint64_t length;  // in elements
  uint32_t dtype;
  int32_t device;        // the CUDA device that it lies on; SOUL_CPU: none
  const bool* released;  // true when the memory was given up, after which it must not be used; null: never
} SoulMemory;

#define SOUL_CPU (-1)

#define SOUL_FLOAT32 0u
#define SOUL_BFLOAT16 1u
#define SOUL_UINT8 2u

// Rows of logits, one per label token: row i begins at element i * stride. Of bfloat16 the losses take what
// they would take of the same numbers in float32, and a gradient is rounded to the nearest, ties to even.
typedef struct SoulTokenRows {
  void* logits;
  int64_t rows;
  int64_t vocabulary;
  int64_t stride;  // in elements
  uint32_t dtype;  // SOUL_FLOAT32 or SOUL_BFLOAT16
} SoulTokenRows;

// What one read of the rows yields; a null pointer leaves that figure out.
typedef struct SoulTokenScores {
  float* log_sum_exp;     // rows
  float* nll;             // rows: log_sum_exp - logit of the label, in nats; needs labels
  uint8_t* is_argmax;     // rows: 1 where the label is the first of the largest logits; needs labels
  float* mean_log_p;      // rows: mean of log p under p itself
  float* variance_log_p;  // rows: variance of log p under p itself
  const int32_t* labels;  // rows, each in [0, vocabulary); null where labels are sampled or not needed
  int32_t*
      sampled_labels;  // rows, out: a label drawn from softmax(logits) by Gumbel-max; then used as the label
  uint64_t sample_seed;  // the draw of row i is a function of (sample_seed, first_row + i, vocabulary index)
  uint64_t first_row;
} SoulTokenScores;

// The distribution softmax(logits + shift * onehot(label)) of each row, where the logits are a reference's
// or, where there is none, the row's own, taken as constant. What the gradient needs of the score is kept
// here.
typedef struct SoulTokenTarget {
  const int32_t* labels;      // rows, each in [0, vocabulary)
  double shift;               // finite, or -infinity: the label is left out; added in float32
  float* log_sum_exp;         // rows: of the row's logits
  float* target_log_sum_exp;  // rows: of the target's, the label's shifted; NaN where no token is left
  float* label_probability;   // rows: of own targets alone, the larger of what row and target give the label;
                              // null where there is a reference
} SoulTokenTarget;

typedef struct SoulInterface {
  uint32_t version;
  uint32_t size;  // sizeof(SoulInterface) of the addon that filled it

  // Runs `run(context)` on the environment's dispatcher thread, after everything posted before, then calls
  // `complete(context, ran)` on the JavaScript thread; `ran` is false when the environment shut down first:
  // then no JavaScript may run and `complete` only frees. Must be called on the JavaScript thread. Returns
  // false, and calls nothing, when the environment is already shutting down.
  void* dispatcher;
  bool (*post)(void* dispatcher, void (*run)(void* context), void (*complete)(void* context, bool ran),
               void* context);

  // Token losses over rows of logits. Rows are independent: calls on disjoint rows may run on different
  // threads, and the result does not depend on how rows are split.
  void (*score_tokens)(const SoulTokenRows* rows, const SoulTokenScores* scores);
  // logits <- weight * (softmax(logits) - onehot(label)), in place, from the log_sum_exp that score_tokens
  // gave. That is a float32, so each probability of a row is off by up to half a unit of its last place,
  // relative: 2e-6 where it is 40.
  void (*token_gradient)(const SoulTokenRows* rows, const int32_t* labels, const float* weights,
                         const float* log_sum_exp);
  // KL(softmax(reference) || softmax(rows)) of each row, with both log-sum-exps for the gradient. The two may
  // be of different dtypes.
  void (*score_divergence)(const SoulTokenRows* rows, const SoulTokenRows* reference, float* divergence,
                           float* log_sum_exp, float* reference_log_sum_exp);
  // logits <- weight * (softmax(logits) - softmax(reference)), in place.
  void (*divergence_gradient)(const SoulTokenRows* rows, const SoulTokenRows* reference, const float* weights,
                              const float* log_sum_exp, const float* reference_log_sum_exp);

  // For another addon's environment cleanup hook, on the JavaScript thread: cancels what is queued, waits for
  // the job that runs, and calls every outstanding `complete(context, false)`. Harmless when done twice;
  // `post` returns false after it.
  void (*shut_down)(void* dispatcher);

  // For jobs that work on a CUDA device, called within `run`. The job is complete only when the device has
  // come to the end of what was enqueued on the environment's stream of it; an error of the device then
  // reaches `failed(context, sentence)` on another thread before `complete` is called. Null on success, else
  // a sentence why the device cannot be used, which says "out of memory" where that is why; sentences stay
  // readable until the thread's next call of the table.
  const char* (*wait_for_device)(void* dispatcher, int32_t device,
                                 void (*failed)(void* context, const char* sentence), void* context);
  // The caller's work on `stream` (a CUstream) comes after what is enqueued on the environment's stream; and,
  // on leaving, the other way round. Null on success.
  const char* (*enter_stream)(void* dispatcher, int32_t device, void* stream);
  const char* (*leave_stream)(void* dispatcher, int32_t device, void* stream);

  // The token losses over rows in device memory, as are all pointers in the structs: enqueued on `stream`.
  // Null on success.
  const char* (*score_tokens_on_device)(void* dispatcher, int32_t device, void* stream,
                                        const SoulTokenRows* rows, const SoulTokenScores* scores);
  const char* (*token_gradient_on_device)(void* dispatcher, int32_t device, void* stream,
                                          const SoulTokenRows* rows, const int32_t* labels,
                                          const float* weights, const float* log_sum_exp);
  const char* (*score_divergence_on_device)(void* dispatcher, int32_t device, void* stream,
                                            const SoulTokenRows* rows, const SoulTokenRows* reference,
                                            float* divergence, float* log_sum_exp,
                                            float* reference_log_sum_exp);
  const char* (*divergence_gradient_on_device)(void* dispatcher, int32_t device, void* stream,
                                               const SoulTokenRows* rows, const SoulTokenRows* reference,
                                               const float* weights, const float* log_sum_exp,
                                               const float* reference_log_sum_exp);

  // Of each row -sum t * log softmax(row), t its target, in nats. A null reference: targets are the rows'
  // own, and no other logits are read.
  void (*score_target)(const SoulTokenRows* rows, const SoulTokenRows* reference,
                       const SoulTokenTarget* target, float* cross_entropy);
  // logits <- weight * (softmax(logits) - t), in place, from what score_target left in `target`.
  void (*target_gradient)(const SoulTokenRows* rows, const SoulTokenRows* reference,
                          const SoulTokenTarget* target, const float* weights);
  const char* (*score_target_on_device)(void* dispatcher, int32_t device, void* stream,
                                        const SoulTokenRows* rows, const SoulTokenRows* reference,
                                        const SoulTokenTarget* target, float* cross_entropy);
  const char* (*target_gradient_on_device)(void* dispatcher, int32_t device, void* stream,
                                           const SoulTokenRows* rows, const SoulTokenRows* reference,
                                           const SoulTokenTarget* target, const float* weights);
} SoulInterface;

#ifdef __cplusplus
}
#endif
