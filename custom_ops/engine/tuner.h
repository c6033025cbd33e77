// Finds good settings by trying: pure bookkeeping, no clock and no I/O.
//
// Training is divided into epochs of a few calls, and each epoch runs with one setting. Stage by
// stage (plan, bucket size, chunk size, sockets) the alternatives get an epoch each; results come
// back one or two epochs later. When all results of a stage are there, the best alternative, if it
// was better than the setting so far by more than noise, meets that setting once more; it is
// adopted if it wins again.
#ifndef TF_DDL_ENGINE_TUNER_H_
#define TF_DDL_ENGINE_TUNER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tf_ddl {

struct Setting {
  int64_t bucket_bytes = 0;
  int64_t chunk_bytes = 0;  // 0: by the model
  int plan = 0;             // which of the candidates for large buckets; 0: the model's choice
  int sockets = 0;          // in use on each rail; 0: all
  bool operator==(const Setting& o) const {
    return bucket_bytes == o.bucket_bytes && chunk_bytes == o.chunk_bytes && plan == o.plan &&
           sockets == o.sockets;
  }
};

class Tuner {
 public:
  // What may be tried besides the first setting; empty lists: nothing.
  struct Space {
    std::vector<int64_t> bucket_bytes;
    std::vector<int64_t> chunk_bytes;
    std::vector<int> plans;
    std::vector<int> sockets;
    std::vector<std::string> plan_names;  // by plan, for news; may be empty
  };
  Tuner(const Setting& first, Space space);

  // The setting for `epoch`, which follows the last one asked for. Decided once.
  Setting For(uint64_t epoch);
  // `seconds`: what a call of `epoch` cost.
  void Measured(uint64_t epoch, double seconds);

  bool finished() const { return stage_ >= kStages; }
  const Setting& best() const { return best_; }
  // "bucket_bytes 4194304 -> 8388608 (21.3 -> 18.0 ms)", for the log; emptied by the call.
  std::string TakeNews();

 private:
  static constexpr int kStages = 4;
  struct Trial {
    Setting setting;
    uint64_t epoch = 0;
    double seconds = -1;  // not measured yet
  };

  void BeginStage();
  void EndStage(uint64_t epoch);
  std::string ValueText(const Setting& setting) const;
  void Adopt(const Trial& before, const Trial& better);

  const Space space_;
  Setting best_;
  int stage_ = 0;
  std::vector<Trial> trials_;  // of the stage: first the setting so far, then the alternatives
  size_t issued_ = 0;          // trials that have an epoch
  bool again_ = false;         // the trials are the second meeting of the two best
  std::string news_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_TUNER_H_
