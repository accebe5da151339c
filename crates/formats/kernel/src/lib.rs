//! Linux kernel images, configs and module indexes, resolved to a load plan.
