#include "ops/registry.h"

namespace catvton::ops {
namespace {

// Inside a function, so that it exists before the first registration whatever file is initialised first.
std::map<std::string, Implementation>& registered() {
  static std::map<std::string, Implementation> operators;
  return operators;
}

}  // namespace

Registration::Registration(const char* name, Implementation implementation) { registered()[name] = implementation; }

std::map<std::string, std::string> implementations(const Tensor& like) {
  std::map<std::string, std::string> chosen;
  for (const auto& [name, implementation] : registered()) chosen[name] = implementation(like);
  return chosen;
}

}  // namespace catvton::ops
