// One function, compiled for several instruction sets and chosen by the loader. Sanitizers start
// after the loader has run such choices, so their builds do without.
#ifndef TF_DDL_BASE_CLONES_H_
#define TF_DDL_BASE_CLONES_H_

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(TF_DDL_SANITIZED)
#define DDL_FOR_EACH_CPU __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define DDL_FOR_EACH_CPU
#endif

#endif  // TF_DDL_BASE_CLONES_H_
