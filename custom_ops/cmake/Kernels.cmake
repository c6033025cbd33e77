# The GPU kernels of nccl/kernels.cu: compiled by nvcc where there is one, and put into the core as
# an array. The core always has their PTX too (nccl/kernels_ptx.inc), for GPUs that are younger or
# older than this nvcc and for builds without one; the driver compiles it when a program starts.
# BUILD, for Bazel, has the PTX alone.
set(DDL_NVCC "AUTO" CACHE STRING
  "nvcc for the GPU kernels: its path; AUTO: one that is found and works; OFF: none")
set(DDL_CUDA_ARCH "all-major" CACHE STRING "nvcc's -arch for the GPU kernels")

set(DDL_NVCC_FOUND "")
if(DDL_NVCC STREQUAL "AUTO")
  find_program(DDL_NVCC_PROGRAM nvcc
    HINTS ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES bin PATHS /usr/local/cuda/bin)
  if(DDL_NVCC_PROGRAM)
    set(DDL_NVCC_FOUND "${DDL_NVCC_PROGRAM}")
  endif()
elseif(DDL_NVCC)
  set(DDL_NVCC_FOUND "${DDL_NVCC}")
  if(NOT EXISTS "${DDL_NVCC}")
    message(FATAL_ERROR "DDL_NVCC=${DDL_NVCC}: there is no such file. It is nvcc's path, AUTO or OFF")
  endif()
endif()

if(DDL_NVCC_FOUND)
  message(STATUS "GPU kernels: compiled by ${DDL_NVCC_FOUND}, and as PTX")
  set(kernels_fatbin "${CMAKE_CURRENT_BINARY_DIR}/kernels_fatbin.inc")
  set(kernels_source "${CMAKE_CURRENT_SOURCE_DIR}/nccl/kernels.cu")
  set(kernels_script "${CMAKE_CURRENT_LIST_DIR}/embed_kernels.cmake")
  add_custom_command(OUTPUT "${kernels_fatbin}"
    COMMAND "${CMAKE_COMMAND}" "-DNVCC=${DDL_NVCC_FOUND}" "-DWANTED=${DDL_NVCC}"
      "-DARCH=${DDL_CUDA_ARCH}" "-DSOURCE=${kernels_source}" "-DOUTPUT=${kernels_fatbin}"
      -P "${kernels_script}"
    DEPENDS "${kernels_source}" "${CMAKE_CURRENT_SOURCE_DIR}/nccl/kernel_table.h"
      "${kernels_script}"
    COMMENT "Compiling the GPU kernels" VERBATIM)
  add_custom_target(ddl_kernels DEPENDS "${kernels_fatbin}")
  set_source_files_properties(nccl/kernel_images.cc PROPERTIES
    COMPILE_DEFINITIONS TF_DDL_KERNELS_FATBIN="${kernels_fatbin}"
    OBJECT_DEPENDS "${kernels_fatbin}")
else()
  message(STATUS "GPU kernels: as PTX alone (no nvcc)")
endif()
