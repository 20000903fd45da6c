//! What of ZMTP 3 (0MQ's wire protocol) this crate needs: REQ and SUB sockets, plain or with CURVE, blocking and with deadlines.
