//! The server of nearsort. So far only [`wire`]: the bodies that clients send and expect, as pure data. There is no
//! network code here yet, and nothing that knows a model.

pub mod wire;
