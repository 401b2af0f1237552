import "../relay.js";
