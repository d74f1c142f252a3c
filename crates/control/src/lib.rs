//! follows the control log: the directory and what is cut
