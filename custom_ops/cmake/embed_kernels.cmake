# Compiles the GPU kernels into a fatbin and writes it as a C++ array (Kernels.cmake calls this).
# A compiler that was merely found and does not work, for example because it does not take this g++,
# is no reason to fail: the array is left empty and the PTX remains.
get_filename_component(layers "${SOURCE}" DIRECTORY)
get_filename_component(include "${layers}" DIRECTORY)
set(fatbin "${OUTPUT}.fatbin")
file(REMOVE "${fatbin}")
set(command "${NVCC}" -std=c++17 -O3 -fatbin "-arch=${ARCH}" -Xfatbin -compress-all
  "-I${include}" "${SOURCE}" -o "${fatbin}")
execute_process(COMMAND ${command} RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT result STREQUAL "0" OR NOT EXISTS "${fatbin}")
  string(REPLACE ";" " " line "${command}")
  if(NOT WANTED STREQUAL "AUTO")
    message(FATAL_ERROR "The GPU kernels cannot be compiled (DDL_NVCC=OFF does without): ${line}\n"
      "ended with: ${result}\n${said}")
  endif()
  message(WARNING "The GPU kernels are left as PTX alone: ${line}\nended with: ${result}\n${said}")
  file(WRITE "${OUTPUT}"
    "// nvcc was found, but did not compile the kernels.\n"
    "alignas(16) const unsigned char kKernelsFatbin[] = {0};\n"
    "const char kKernelsCompiler[] = \"\";\n")
  return()
endif()

execute_process(COMMAND "${NVCC}" --version OUTPUT_VARIABLE said ERROR_QUIET)
string(REGEX MATCH "V[0-9]+\\.[0-9.]*[0-9]" version "${said}")
string(REPLACE "V" "" version "${version}")
file(READ "${fatbin}" bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
file(WRITE "${OUTPUT}"
  "// Made from kernels.cu by the build.\n"
  "alignas(16) const unsigned char kKernelsFatbin[] = {\n${bytes}\n};\n"
  "const char kKernelsCompiler[] = \"nvcc ${version}\";\n")
file(REMOVE "${fatbin}")
