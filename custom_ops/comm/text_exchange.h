// Every rank's text to every rank, by way of rank 0: for what ranks agree on before there is an
// engine. Control frames that are not its own are kept for the engine.
#ifndef TF_DDL_COMM_TEXT_EXCHANGE_H_
#define TF_DDL_COMM_TEXT_EXCHANGE_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "comm/communicator.h"

namespace tf_ddl {

class TextExchange : public CommunicatorEvents {
 public:
  // `what`: for messages, as in "while GPUs were set up".
  TextExchange(Communicator* communicator, ControlKind kind, std::string what, Deadline deadline);
  ~TextExchange() override;

  // Sends this rank's text for round `round`, the how-many'th there is. Once.
  void Say(int round, const std::string& text);
  // Waits for everybody's, by rank. Rank 0 need not wait for all: as soon as `enough` is true of
  // what has come, it answers everybody with that; ranks without a text then have "".
  Status Hear(int round, const std::function<bool(const std::vector<std::string>&)>& enough,
              std::vector<std::string>* texts);
  // Takes in what has come. Whether a wait for something else is to end, and why: a rank was lost,
  // or Hear would return `enough` of `round` now.
  Status Look(int round, const std::function<bool(const std::vector<std::string>&)>& enough);

  void OnControl(int peer, ControlKind kind, std::string payload) override;
  void OnBye(int peer) override;
  void OnFailure(int peer, const Status& status) override;

 private:
  struct Round {
    std::vector<std::string> texts;  // by rank
    std::vector<bool> said;          // by rank; rank 0 only
    bool answered = false;
  };

  Round& At(int round);
  std::string Name(int rank) const;
  Status CheckWait(const Round& round) const;

  Communicator* const communicator_;
  const ControlKind kind_;
  const std::string what_;
  const Deadline deadline_;
  const int rank_;
  const int size_;
  std::map<int, Round> rounds_;
  std::vector<bool> gone_;  // by rank: said goodbye
  Status failure_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_TEXT_EXCHANGE_H_
