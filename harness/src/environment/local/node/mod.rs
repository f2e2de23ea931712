//! The node agent: runs the pods of one node as native processes.
