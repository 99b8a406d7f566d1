// mongosh "mongodb://root@…/admin" users.js: two users for one database, in an empty deployment.
// The passwords come from the environment.
const aiconfig = db.getSiblingDB("aiconfig");

// What a gateway does all day. It cannot drop or rename a collection, or change a validator.
aiconfig.createRole({
  role: "aiconfigGateway",
  privileges: [
    {
      resource: {db: "aiconfig", collection: ""},
      actions: ["find", "insert", "update", "remove", "listCollections", "listIndexes"],
    },
  ],
  roles: [],
});
aiconfig.createUser({user: "aiconfig", pwd: process.env.GATEWAY_PASSWORD, roles: ["aiconfigGateway"]});

// For the operator: aiconfig migrate, keyring activate and retire, rotate.
aiconfig.createUser({
  user: "aiconfig-admin",
  pwd: process.env.OPERATOR_PASSWORD,
  roles: ["readWrite", "dbAdmin"],
});
