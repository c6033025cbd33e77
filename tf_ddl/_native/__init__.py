"""The compiled core by way of ctypes: its library, engines, planner and store.

    library         loads libtf_ddl_core.so, calls it, takes what it returns
    engine          one process' membership in a job: groups, blocking collectives
    gpu             engines whose groups are in GPU memory
    nccl_library    where installed packages keep NCCL
    planner         plans, costs and proofs: pure functions
    store           the rendezvous store that launchers run
    process_engine  the one engine of this process, and how it ends
    build_info      what was found and built

None of it loads TensorFlow.
"""
