//! What this controller is to its switches, if there is another: master, or slave that stands by.

use rust_openflow::v13::{Body, ErrorMessage, ErrorType, Role, RoleMessage};

use crate::distribution::Tags;
use crate::fabric::{ConnectionId, Fabric, Output};
use crate::publication::Publication;
use crate::replica::Replica;
use crate::{DatapathId, Event};

/// What a controller is to its switches (OpenFlow 1.3.5 6.3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is no other, and no role is asked for.
    Alone,
    /// It decides, by this generation.
    Master(u64),
    /// It stands by: connected, so that nothing need be waited for when its time comes. What a
    /// switch holds is read then, from the switch.
    Slave,
}

/// `OFPBRC_IS_SLAVE`
const IS_SLAVE: u16 = 10;
/// A switch says this as long as nobody asked it for a role with a generation.
const NO_GENERATION: u64 = u64::MAX;

impl Fabric {
    /// What this controller is to its switches.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    pub(crate) fn stand(&mut self) {
        debug_assert!(self.switches.is_empty(), "a controller that has decided is made anew");
        self.standing = Standing::Slave;
    }

    /// Takes over: every switch that is connected is asked for the role, then what it holds, and is
    /// brought to what it should hold as after a restart, with the streams that the other told of.
    pub(crate) fn lead(&mut self, generation: u64, incarnation: u32, replica: Replica) {
        self.standing = Standing::Master(generation);
        self.config.incarnation = incarnation;
        self.tags = Tags::new(incarnation.wrapping_shl(8));
        self.event(Event::Standing { role: "master", generation });
        self.publication = Some(Publication::new(&self.config.limits));
        for (connection, switch) in self.introduced() {
            self.take_switch(connection, switch);
        }
        self.adopt(replica);
    }

    /// Asks a switch that just said who it is for the role; `false` if it is left to another.
    pub(crate) fn ask_for_role(&mut self, connection: ConnectionId) -> bool {
        match self.standing {
            Standing::Alone => true,
            Standing::Master(generation_id) => {
                let request = RoleMessage { role: Role::Master, generation_id };
                self.say(connection, ROLE, Body::RoleRequest(request));
                true
            }
            Standing::Slave => {
                self.check_role(connection);
                false
            }
        }
    }

    /// Asks a switch which generation it last took: a master that was replaced is not told.
    pub(crate) fn check_role(&mut self, connection: ConnectionId) {
        if self.standing != Standing::Alone {
            let request = RoleMessage { role: Role::NoChange, generation_id: 0 };
            self.say(connection, CHECK, Body::RoleRequest(request));
        }
    }

    pub(crate) fn role_reply(
        &mut self,
        connection: ConnectionId,
        switch: DatapathId,
        xid: u32,
        reply: &RoleMessage,
    ) {
        let RoleMessage { role, generation_id } = *reply;
        if generation_id != NO_GENERATION {
            self.output(Output::Generation(generation_id));
        }
        match (self.standing, role) {
            // It is told which role we want only once we know a generation that it does not take
            // for one of the past.
            (Standing::Slave, Role::Equal | Role::Master) => {
                let generation_id = if generation_id == NO_GENERATION { 0 } else { generation_id };
                let request = RoleMessage { role: Role::Slave, generation_id };
                self.say(connection, ROLE, Body::RoleRequest(request));
            }
            (Standing::Slave, Role::Slave) if xid == ROLE => {
                let generation = generation_id;
                self.event(Event::SwitchRole { switch, role: "slave", generation });
            }
            (Standing::Master(generation), Role::Master) if xid == ROLE => {
                self.event(Event::SwitchRole { switch, role: "master", generation });
            }
            _ => {}
        }
    }

    /// Whether an error means that another controller may be master. The answer to asking whether
    /// that is so does not.
    pub(crate) fn is_about_role(xid: u32, error: &ErrorMessage) -> bool {
        let refused = error.kind == ErrorType::BAD_REQUEST && error.code == IS_SLAVE;
        xid != CHECK && (refused || error.kind == ErrorType::ROLE_REQUEST_FAILED)
    }
}

/// Transaction ids of role messages: the high bit keeps them apart from those of a switch's ledger.
const ROLE: u32 = 0x8000_0001;
const CHECK: u32 = 0x8000_0002;
