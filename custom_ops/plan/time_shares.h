// Servers whose time is shared equally among the jobs on them: a network interface in one
// direction, the engine of a rank that copies. A job on two servers at once (a message, at its
// sender and at its receiver) goes on at the smaller of its two shares.
//
// Jobs stand in queues, and only the first of a queue is on its servers: messages of one pair of
// ranks follow each other on their connection, a core does one thing at a time. Lower priority
// numbers come first, even before a job that has begun; equals in order of arrival.
//
// Every change of a server's jobs changes the pace of all of them, so a job's end is known only
// until the next change. Ends are kept in a heap; one that no longer holds is dropped when it
// comes up.
#ifndef TF_DDL_PLAN_TIME_SHARES_H_
#define TF_DDL_PLAN_TIME_SHARES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <utility>
#include <vector>

namespace tf_ddl {

class TimeShares {
 public:
  struct Work {
    double seconds = 0;  // when it is alone
    int queue = 0;
    int64_t priority = 0;
    int first = 0;    // server
    int second = -1;  // another, or -1
  };

  explicit TimeShares(int servers) : servers_(servers) {}

  // Returns the job's number, which is used again after its end.
  int Begin(double now, const Work& work);

  bool empty() const { return unfinished_ == 0; }
  // When the next job ends if nothing begins before. Not to be called when empty.
  double NextEnd();
  // Ends that job and returns its number.
  int TakeNext();

 private:
  struct Job {
    Work work;
    int64_t arrival = 0;
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
  using Queue = std::map<std::pair<int64_t, int64_t>, int>;  // by priority and arrival

  void Serve(double now, int job);
  void Interrupt(double now, int job);
  void Settle(double now, int server);
  void DropOutdated();

  std::vector<std::vector<int>> servers_;  // the jobs on each
  std::vector<Queue> queues_;
  std::vector<Job> jobs_;
  std::vector<int> unused_;
  std::priority_queue<End, std::vector<End>, std::greater<End>> ends_;
  int64_t order_ = 0;
  int unfinished_ = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_TIME_SHARES_H_
