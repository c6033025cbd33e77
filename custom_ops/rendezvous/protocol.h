// What a rank and the store say to each other once the secret is proved.
//
//   rank -> store   JoinRequest, host name, blob
//   store -> rank   JoinAnswer, then for code 0 every rank's blob (a 32-bit length before each),
//                   else the reason as text
//   rank -> store   if there is more to agree on: MoreRequest, another blob
//   store -> rank   JoinAnswer and so on, as before
#ifndef TF_DDL_RENDEZVOUS_PROTOCOL_H_
#define TF_DDL_RENDEZVOUS_PROTOCOL_H_

#include <cstdint>

namespace tf_ddl {

struct JoinRequest {
  int32_t size = 0;
  int32_t pid = 0;
  uint32_t host_bytes = 0;
  uint32_t blob_bytes = 0;
};
static_assert(sizeof(JoinRequest) == 16, "part of the protocol");

struct MoreRequest {
  uint32_t blob_bytes = 0;
};
static_assert(sizeof(MoreRequest) == 4, "part of the protocol");

struct JoinAnswer {
  int32_t code = 0;
  uint32_t bytes = 0;
};
static_assert(sizeof(JoinAnswer) == 8, "part of the protocol");

constexpr uint32_t kMaxHostBytes = 256;
constexpr uint32_t kMaxBlobBytes = 64 << 10;
constexpr uint32_t kMaxAnswerBytes = 1u << 30;

}  // namespace tf_ddl

#endif  // TF_DDL_RENDEZVOUS_PROTOCOL_H_
