// SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), for proving knowledge of the job's secret.
#ifndef TF_DDL_BASE_SHA256_H_
#define TF_DDL_BASE_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace tf_ddl {

using Digest = std::array<uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  void Update(const void* data, size_t n);
  Digest Finish();  // once

 private:
  void Block(const uint8_t* block);

  uint32_t state_[8];
  uint8_t buffer_[64];
  size_t fill_ = 0;
  uint64_t bytes_ = 0;
};

Digest HmacSha256(const std::string& key, const std::string& message);

// Takes the same time wherever the two differ.
bool EqualInConstantTime(const Digest& a, const Digest& b);

// From the operating system's generator.
Status RandomBytes(void* out, size_t n);

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_SHA256_H_
