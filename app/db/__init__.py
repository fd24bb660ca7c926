"""Tables, migrations and one repository a table family."""
