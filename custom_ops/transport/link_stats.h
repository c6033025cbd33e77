// What the kernel measures about a TCP connection that carries data (TCP_INFO). It tells how fast
// each rail is and whether the other host still answers, without sending anything extra.
#ifndef TF_DDL_TRANSPORT_LINK_STATS_H_
#define TF_DDL_TRANSPORT_LINK_STATS_H_

#include <cstdint>
#include <string>

namespace tf_ddl {

// Of one data socket, in the direction from this rank to the peer. Over an interval, the growth of
// `bytes_acked` divided by that of `busy_seconds` is the rate at which the link took data, however
// much of the time there was none to send.
struct LinkStats {
  int rail = 0;
  std::string interface;       // of this host, "eth1"; "" if unknown
  std::string address;         // of this host
  std::string peer_address;    // of the other
  uint64_t bytes_written = 0;  // that the kernel took
  uint64_t bytes_acked = 0;    // that the peer's host has confirmed
  double busy_seconds = 0;     // with bytes under way
  // Of busy_seconds: waiting for room in the receiver's buffers, so that the peer, not the link,
  // was slow.
  double receiver_limited_seconds = 0;
  double silent_seconds = 0;   // since the last answer, while the kernel repeats itself
  double rtt_seconds = 0;      // smoothed round trip
  double min_rtt_seconds = 0;  // smallest seen; queues empty
};

// Fills in what TCP_INFO tells. Leaves zeros where the socket is closed, or no TCP socket.
void ReadTcpInfo(int socket, LinkStats* stats);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_LINK_STATS_H_
