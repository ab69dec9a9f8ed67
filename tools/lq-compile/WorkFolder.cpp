//===- WorkFolder.cpp - files that only live while lq compiles ------------===//

#include "tools/lq-compile/WorkFolder.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include <unistd.h>

using namespace llvm;
using namespace lq;

namespace {
/// The folder that a stop signal has to remove.
std::mutex currentMutex;
std::string currentFolder;
} // namespace

Expected<std::unique_ptr<WorkFolder>> WorkFolder::create(StringRef output) {
  SmallString<256> parent(sys::path::parent_path(output));
  if (parent.empty())
    parent = ".";
  SmallString<256> model(parent);
  sys::path::append(model, "." + sys::path::filename(output) + ".parts-XXXXXX");
  if (!::mkdtemp(const_cast<char *>(model.c_str())))
    return createStringError(
        "cannot write in %s: %s; choose another place with -o", parent.c_str(),
        std::strerror(errno));
  std::string folder(model.c_str());
  if (std::error_code error = sys::fs::make_absolute(model); !error)
    folder = model.c_str();
  std::lock_guard lock(currentMutex);
  currentFolder = folder;
  return std::unique_ptr<WorkFolder>(new WorkFolder(folder));
}

WorkFolder::~WorkFolder() {
  std::lock_guard lock(currentMutex);
  sys::fs::remove_directories(folder);
  currentFolder.clear();
}

std::string WorkFolder::file(StringRef name) const {
  SmallString<256> path(folder);
  sys::path::append(path, name);
  return std::string(path);
}

void lq::handleStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM, SIGHUP})
    sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    std::lock_guard lock(currentMutex);
    if (!currentFolder.empty())
      sys::fs::remove_directories(currentFolder);
    std::fputs("\nlq-compile: error: interrupted; nothing was written\n",
               stderr);
    _exit(128 + signal);
  }).detach();
}
