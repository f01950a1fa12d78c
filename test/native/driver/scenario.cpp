#include "driver/scenario.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>
#include <vector>

namespace soul::emulated {
namespace {

struct Failure {
  std::string function;
  int64_t call;
  bool later_ones;
  int result;
};

std::mutex& mutex = *new std::mutex;
std::map<std::string, int64_t>& calls = *new std::map<std::string, int64_t>;

int64_t Number(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? std::strtoll(text, nullptr, 10) : otherwise;
}

Scenario ReadScenario() {
  Scenario scenario;
  scenario.version = static_cast<int>(Number("SOUL_EMULATED_VERSION", scenario.version));
  scenario.devices = static_cast<int>(Number("SOUL_EMULATED_DEVICES", scenario.devices));
  scenario.memory =
      static_cast<std::size_t>(Number("SOUL_EMULATED_MEMORY", static_cast<int64_t>(scenario.memory)));
  scenario.ptx = static_cast<int>(Number("SOUL_EMULATED_PTX", scenario.ptx));
  scenario.fault = Number("SOUL_EMULATED_FAULT", scenario.fault);
  scenario.lost_after = Number("SOUL_EMULATED_LOST_AFTER", scenario.lost_after);
  scenario.delay = Number("SOUL_EMULATED_DELAY", scenario.delay);
  scenario.order = static_cast<uint64_t>(Number("SOUL_EMULATED_ORDER", 1));
  return scenario;
}

// As the variable says now; calls are counted anew when it changes.
const std::vector<Failure>& Failures() {
  static auto& failures = *new std::vector<Failure>;
  static auto& read = *new std::string;
  const char* given = std::getenv("SOUL_EMULATED_FAIL");
  const std::string text = given != nullptr ? given : "";
  if (text == read) return failures;
  read = text;
  failures.clear();
  calls.clear();
  std::istringstream all(text);
  std::string one;
  while (std::getline(all, one, ',')) {
    const std::size_t first = one.find(':');
    const std::size_t second = one.rfind(':');
    if (first == std::string::npos || second == first) continue;
    const std::string call = one.substr(first + 1, second - first - 1);
    failures.push_back({one.substr(0, first), std::strtoll(call.c_str(), nullptr, 10), call.ends_with('+'),
                        std::atoi(one.c_str() + second + 1)});
  }
  return failures;
}

void TraceLocked(const char* line) {
  static std::FILE* const file = [] {
    const char* name = std::getenv("SOUL_EMULATED_TRACE");
    return name != nullptr && *name != '\0' ? std::fopen(name, "a") : nullptr;
  }();
  if (file == nullptr) return;
  std::fprintf(file, "%s\n", line);
  std::fflush(file);
}

}  // namespace

const Scenario& TheScenario() {
  static const Scenario scenario = ReadScenario();
  return scenario;
}

int Announce(const char* function) {
  const std::lock_guard lock(mutex);
  TraceLocked(function);
  const std::vector<Failure>& failures = Failures();
  if (failures.empty()) return 0;
  const int64_t call = ++calls[function];
  for (const Failure& failure : failures) {
    if (failure.function == function &&
        (call == failure.call || (failure.later_ones && call > failure.call))) {
      return failure.result;
    }
  }
  return 0;
}

void Trace(const std::string& line) {
  const std::lock_guard lock(mutex);
  TraceLocked(line.c_str());
}

}  // namespace soul::emulated
