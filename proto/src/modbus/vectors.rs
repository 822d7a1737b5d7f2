//! Do the attack vectors get the verdict that they ask for, however they are cut?
