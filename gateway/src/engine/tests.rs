//! Does one conduit keep its promises, between peers and a device that we play ourselves?

mod bench;
mod bound;
mod bounds;
mod budgets;
mod device;
mod hostile;
mod life;
mod limits;
mod line;
mod monitor;
mod path;
mod record;
mod wire;
