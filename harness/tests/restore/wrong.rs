pub fn what_goes_wrong_is_said() {}
