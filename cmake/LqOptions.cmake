# Options that hold for every target: warnings, sanitizers, visibility.

option(LQ_WERROR "Treat compiler warnings as errors" OFF)
set(LQ_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address,undefined")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without these ccache does not keep what uses precompiled headers.
  set(launcher "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros
    "${CCACHE_PROGRAM}")
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${launcher}")
endif()

add_compile_options(-Wall -Wextra -Wno-unused-parameter)
if(LQ_WERROR)
  add_compile_options(-Werror)
endif()

if(LQ_SANITIZE)
  add_compile_options("-fsanitize=${LQ_SANITIZE}" -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options("-fsanitize=${LQ_SANITIZE}")
endif()
