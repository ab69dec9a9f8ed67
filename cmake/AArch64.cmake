# Toolchain: the runtime and its tools for AArch64, cross-compiled with clang and
# the system libraries of the package g++-aarch64-linux-gnu. The libraries that
# lq uses come from arm64 packages, installed or unpacked to a folder LQ_SYSROOT.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER clang-22)
set(CMAKE_CXX_COMPILER clang++-22)
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES LQ_SYSROOT)
if(LQ_SYSROOT)
  list(APPEND CMAKE_FIND_ROOT_PATH "${LQ_SYSROOT}")
  # Headers that differ between architectures; libraries of libraries.
  include_directories(SYSTEM "${LQ_SYSROOT}/usr/include/aarch64-linux-gnu")
  add_link_options("LINKER:-rpath-link,${LQ_SYSROOT}/usr/lib/aarch64-linux-gnu")
endif()
foreach(kind LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
