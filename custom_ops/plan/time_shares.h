// Servers whose time is shared equally among the jobs on them: a network interface in one
// direction, the copying engine of a rank. A job on two servers at once (a message, at its sender
// and at its receiver) goes on at the smaller of its two shares.
//
// Every change of a server's jobs changes the pace of all of them, so a job's end is known only
// until the next change. Ends are kept in a heap; one that no longer holds is dropped when it
// comes up.
#ifndef TF_DDL_PLAN_TIME_SHARES_H_
#define TF_DDL_PLAN_TIME_SHARES_H_

#include <cstdint>
#include <queue>
#include <vector>

namespace tf_ddl {

class TimeShares {
 public:
  explicit TimeShares(int servers) : servers_(servers) {}

  // Begins a job that takes `work` seconds when it is alone. `second` may be -1. Jobs' numbers
  // are used again after their ends.
  int Begin(double now, double work, int first, int second);

  bool empty() const { return active_ == 0; }
  // When the next job ends if nothing begins before. Not to be called when empty.
  double NextEnd();
  // Ends that job and returns its number.
  int TakeNext();

 private:
  struct Job {
    int server[2] = {-1, -1};
    double remaining = 0;  // seconds of work at `since`
    double since = 0;
    double pace = 0;       // work per second
    uint32_t version = 0;  // of the end that holds
  };
  struct End {
    double time;
    int64_t order;  // equal times: in the order in which they became known
    int job;
    uint32_t version;
    bool operator>(const End& other) const {
      return time != other.time ? time > other.time : order > other.order;
    }
  };

  void Settle(double now, int server);
  void DropOutdated();
  void Remove(int server, int job);

  std::vector<std::vector<int>> servers_;  // the jobs on each
  std::vector<Job> jobs_;
  std::vector<int> unused_;
  std::priority_queue<End, std::vector<End>, std::greater<End>> ends_;
  int64_t order_ = 0;
  int active_ = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_TIME_SHARES_H_
